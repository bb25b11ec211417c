"""Pictures of events and incidents, for messages: PNG, drawn on the server."""
