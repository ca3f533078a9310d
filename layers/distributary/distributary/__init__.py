"""Distributary: multi-region replication of DynamoDB and Aurora by their change streams."""
