"""What has to be true between the parts: flow, events, stores, architecture, documents."""
