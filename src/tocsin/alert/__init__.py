"""From events to incidents to messages."""
