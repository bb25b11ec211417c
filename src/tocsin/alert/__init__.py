"""From events to incidents to messages: event → rule → incident → notification."""
