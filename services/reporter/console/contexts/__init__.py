"""One typed context per page: what a template sees, and nothing else. Pure."""
