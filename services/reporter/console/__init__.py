"""The console: pages for people over the reporter's tables; what they change goes over HTTP to whoever owns it."""
