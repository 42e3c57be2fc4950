"""Connection limits and throttles of delivery: which apply, what is counted, who decides, and why."""
