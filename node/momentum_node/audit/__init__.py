"""What clients did lately: connections, receptions and rejections for each address, in windows (`inbound_audit`)."""
