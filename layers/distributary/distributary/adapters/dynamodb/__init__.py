"""DynamoDB: the replica over a table, and the records of its change stream."""
