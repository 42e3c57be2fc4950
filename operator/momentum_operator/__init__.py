"""The operator: one MomentumCluster becomes pods, and its truth becomes status."""
