"""Where notifications go: one file a kind."""

from __future__ import annotations

from collections.abc import Mapping

from tocsin.alert.channels.base import Receiver
from tocsin.channels import Alertmanager, Apprise, Channel, Webhook

__all__ = ["open_receiver"]


def open_receiver(channel: Channel, environment: Mapping[str, str]) -> Receiver:
    """The receiver of a channel. Errors: `ConfigurationError`, `MissingExtraError`."""
    # Imported when needed: not every service has channels of every kind.
    match channel:
        case Webhook():
            from tocsin.alert.channels.webhook import WebhookReceiver

            return WebhookReceiver(channel, environment)
        case Alertmanager():
            from tocsin.alert.channels.alertmanager import AlertmanagerReceiver

            return AlertmanagerReceiver(channel, environment)
        case Apprise():
            from tocsin.alert.channels.apprise import AppriseReceiver

            return AppriseReceiver(channel, environment)
