"""What people and programs can ask the reporter: reports, posts as they stand, the overview and the first page."""
