"""Mail that was accepted: kept, scheduled, delivered."""
