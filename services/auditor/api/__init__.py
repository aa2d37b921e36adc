"""What people and programs can ask the auditor: where a post stands, and how it came there."""
