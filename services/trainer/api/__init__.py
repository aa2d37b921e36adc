"""What people and programs can ask the trainer: runs, models, and the corrections there are to learn from."""
