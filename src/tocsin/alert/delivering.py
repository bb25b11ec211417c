"""Delivering: every channel at its own pace, at least once, in a thread of its own."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import structlog

from tocsin.alert.channels import open_receiver
from tocsin.alert.channels.base import Receiver
from tocsin.alert.message import Message, Picture, no_picture, words
from tocsin.alert.outgoing import queue
from tocsin.channels import Channel
from tocsin.errors import MessageRefusedError, OwnerLostError, ReceiverError, StoreError
from tocsin.samples import SECOND_NS
from tocsin.store.notifications import Notifications

if TYPE_CHECKING:
    from sqlalchemy import Engine as Database

__all__ = ["Delivering", "Line"]

_log: Final = structlog.get_logger("tocsin.alert")

#: How often the database is asked when nobody says that there is something (seconds).
_LOOK_S: Final = 2.0
#: Pauses after failures: the first, doubling up to the last (seconds); each shorter by chance.
_FIRST_PAUSE_S: Final = 1.0
_LAST_PAUSE_S: Final = 300.0
#: So often a message is tried that the receiver says it will not take.
_REFUSALS: Final = 5
#: Messages read at once.
_MANY: Final = 50
#: How long settled messages are kept, how many are deleted at once, and how often (seconds).
_KEPT_NS: Final = 90 * 86_400 * SECOND_NS
_PIECE: Final = 500
_UPKEEP_S: Final = 30.0
#: How long a stop waits for a receiver (seconds).
_GRACE_S: Final = 5.0
_HOUR_NS: Final = 3_600 * SECOND_NS

#: Draws an incident (its id); None: there is nothing to draw.
Draw = Callable[[int], bytes | None]


class Delivering:
    """All channels of a service. Make it before it starts to change incidents."""

    def __init__(
        self,
        database: Database,
        channels: Sequence[Channel],
        *,
        page: str = "",
        draw: Draw | None = None,
        environment: Mapping[str, str] = os.environ,
        clock: Callable[[], int] = time.time_ns,
        first_pause_s: float = _FIRST_PAUSE_S,
    ) -> None:
        """Open all channels. ``page``: where links lead, or "".

        Errors: `ConfigurationError`, `MissingExtraError`, `StoreError`.
        """
        self.notifications = Notifications(database)
        self._channels = channels
        self._clock = clock
        self._stop = threading.Event()

        def line(channel: Channel) -> Line:
            return Line(
                channel,
                open_receiver(channel, environment),
                self.notifications,
                page=page,
                draw=draw,
                clock=clock,
                first_pause_s=first_pause_s,
            )

        self._line = line
        self.lines = [line(channel) for channel in channels]
        self._thread = threading.Thread(target=self._run, name="tocsin-remind", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._give_up_others()
        for line in self.lines:
            line.start()
        self._thread.start()

    def _give_up_others(self) -> None:
        names = [channel.name for channel in self._channels]
        self.notifications.give_up_others(names, "there is no channel of this name any more")

    def follow(self, channels: Sequence[Channel]) -> None:
        """Deliver to these channels from now on; those that are as they were just go on.

        Waits some seconds for the others to end what they are sending.
        Errors: `ConfigurationError`, `MissingExtraError`; nothing has changed then.
        """
        same = {line.channel.name: line for line in self.lines if line.channel in channels}
        lines = [same.get(channel.name) or self._line(channel) for channel in channels]
        ended = [line for line in self.lines if line not in lines]
        new = [line for line in lines if line not in self.lines]
        self.lines, self._channels = lines, channels
        for line in ended:
            line.end()
        until = time.monotonic() + _GRACE_S
        for line in ended:
            line.join(max(0.0, until - time.monotonic()))
        self._give_up_others()
        for line in new:
            line.start()

    def wake(self) -> None:
        """There may be something to deliver. Any thread; returns at once."""
        for line in self.lines:
            line.wake()

    def retry(self, message: int) -> Mapping[Any, Any] | None:
        """Try a message that was given up once more; its row, None: there is none with this id.

        Errors: `StoreError`.
        """
        found = self.notifications.retry(message, self._clock())
        self.wake()
        return found

    def stop(self) -> None:
        """End, without waiting long for any receiver; what is left comes after the next start."""
        self._stop.set()
        for line in self.lines:
            line.end()
        until = time.monotonic() + _GRACE_S
        for line in self.lines:
            line.join(max(0.0, until - time.monotonic()))
        if self._thread.is_alive():
            self._thread.join()

    def upkeep(self) -> None:
        """Add reminders that are due, and forget old messages. Errors: `StoreError`."""
        for channel in self._channels:
            if channel.remind_hours is not None:
                self._remind(channel, channel.remind_hours)
        self.notifications.forget(self._clock() - _KEPT_NS, _PIECE)

    def _remind(self, channel: Channel, hours: float) -> None:
        now = self._clock()
        since = now - int(hours * _HOUR_NS)

        def work(connection: Any) -> int:
            return sum(
                queue(connection, row, "reminder", [channel.name], now, number=row["number"] + 1)
                for row in self.notifications.to_remind(connection, channel.name, since, now)
            )

        if self.notifications.writer.write(work):
            self.wake()

    def _run(self) -> None:
        while not self._stop.wait(_UPKEEP_S):
            try:
                self.upkeep()
            except OwnerLostError:
                return
            except StoreError as error:
                _log.warning("notifications_upkeep_failed", reason=str(error))


class Line:
    """One channel: its thread sends what is due, again and again until it is taken or given up.

    A message is noted as sent after the receiver has taken it; killed in between, it is sent once
    more after the next start, with the same id.
    """

    def __init__(
        self,
        channel: Channel,
        receiver: Receiver,
        notifications: Notifications,
        *,
        page: str = "",
        draw: Draw | None = None,
        clock: Callable[[], int] = time.time_ns,
        first_pause_s: float = _FIRST_PAUSE_S,
    ) -> None:
        self.channel = channel
        self.receiver = receiver
        #: Why nothing gets through at the moment; None when all is well.
        self.trouble: str | None = None
        self._notifications = notifications
        self._page = page
        self._draw = draw
        self._clock = clock
        self._began = clock()
        self._first_pause_s = first_pause_s
        #: The pause after the next failure (seconds), and until when this one lasts.
        self._pause = first_pause_s
        self._quiet_until = 0.0
        #: What the receiver has taken and the database does not know yet.
        self._taken: int | None = None
        #: By incident: what was told last of those that are not resolved (where that is kept).
        self._firing: dict[int, Message] | None = None
        self._keep_at = 0.0
        self._news = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"tocsin-notify-{channel.name}"[:60], daemon=True
        )

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """There may be something to send."""
        self._news.set()

    def end(self) -> None:
        """Send nothing more than what is being sent."""
        self._stop.set()
        self._news.set()

    def join(self, seconds: float) -> None:
        """Wait for the end, for so long at most."""
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._news.clear()
            try:
                wait = self.turn()
            except OwnerLostError:
                break
            except Exception as error:
                self._tell(error)
                wait = _LOOK_S
            self._news.wait(wait)
            # Whoever wakes it up says that there is something, not that the receiver is well.
            self._stop.wait(self._quiet_left())
        self.receiver.close()

    def _quiet_left(self) -> float:
        """How long the receiver is to be left alone: half of the pause to all of it."""
        left = max(0.0, self._quiet_until - time.monotonic())
        return left * (0.5 + 0.5 * random.random())

    def turn(self) -> float:
        """Send what is due; says how long nothing needs to be done (seconds).

        Errors: `StoreError`.
        """
        self._note_taken()
        for row in self._notifications.due(self.channel.name, self._clock(), _MANY):
            if self._stop.is_set() or not self._send(row):
                return 0.0
        self._keep()
        due = self._notifications.next_due(self.channel.name)
        waits = [_LOOK_S]
        if due is not None:
            waits.append(max(0.0, (due - self._clock()) / SECOND_NS))
        if self.receiver.keep_s is not None:
            waits.append(max(0.0, self._keep_at - time.monotonic()))
        return min(waits)

    def _send(self, row: Mapping[Any, Any]) -> bool:
        """Try one message; False: the receiver takes nothing now."""
        if self.receiver.newest_only and not self._notifications.is_newest(row):
            self._notifications.settle(row["id"], "skipped", self._clock())
            return True
        try:
            message = words(self.channel, row, self._page, self._picture(row["incident"]))
            self.receiver.send(message)
        except Exception as error:
            self._tell(error)
            # Whatever is not known to be the receiver's trouble may be this message's alone.
            if isinstance(error, MessageRefusedError) or not isinstance(error, ReceiverError):
                self._refused(row)
                return True
            self._down(row)
            return False
        self.trouble, self._pause = None, self._first_pause_s
        self._taken = row["id"]
        self._follow(message)
        self._note_taken()
        return True

    def _note_taken(self) -> None:
        """Before anything else is sent: or it would be sent again."""
        if self._taken is not None:
            self._notifications.settle(self._taken, "sent", self._clock())
            self._taken = None

    def _refused(self, row: Mapping[Any, Any]) -> None:
        """The receiver may take others, and this one when it has been put right."""
        pause = min(_LAST_PAUSE_S, self._first_pause_s * 4.0 ** row["attempts"])
        self._again(row, pause, over=row["attempts"] + 1 >= _REFUSALS)

    def _down(self, row: Mapping[Any, Any]) -> None:
        """Leave a receiver that takes nothing alone for a while."""
        # why not what this start has not tried for long: its receiver may be well again.
        since = max(row["retried"] or row["created"], self._began)
        over = self._clock() - since > self.channel.give_up_hours * _HOUR_NS
        self._again(row, self._pause, over=over)
        self._quiet_until = time.monotonic() + self._pause
        self._pause = min(_LAST_PAUSE_S, 2 * self._pause)

    def _again(self, row: Mapping[Any, Any], pause: float, *, over: bool) -> None:
        now, told = self._clock(), self.trouble or ""
        if over:
            _log.error("message_given_up", channel=self.channel.name, message=row["uid"])
            self._notifications.settle(row["id"], "dead", now, told)
        else:
            # Half of it to all of it, so that many do not come back at once.
            due = now + int(pause * (0.5 + 0.5 * random.random()) * SECOND_NS)
            self._notifications.postpone(row["id"], due, told)

    def _keep(self) -> None:
        """Say again what is going on, where the receiver would forget it."""
        if self.receiver.keep_s is None or time.monotonic() < self._keep_at:
            return
        try:
            self.receiver.keep(list(self._known_firing().values()))
            self.trouble = None
        except ReceiverError as error:
            self._tell(error)
        self._keep_at = time.monotonic() + self.receiver.keep_s

    def _known_firing(self) -> dict[int, Message]:
        if self._firing is None:
            rows = self._notifications.firing(self.channel.name)
            told = (words(self.channel, row, self._page, no_picture) for row in rows)
            self._firing = {message.incident["id"]: message for message in told}
        return self._firing

    def _follow(self, message: Message) -> None:
        if self.receiver.keep_s is None:
            return
        firing = self._known_firing()
        firing.pop(message.incident["id"], None)
        if not message.resolved:
            firing[message.incident["id"]] = message

    def _picture(self, incident: int) -> Picture:
        draw = self._draw
        if draw is None or not self.channel.picture:
            return no_picture

        def drawn() -> bytes | None:
            try:
                return draw(incident)
            except Exception as error:  # a message without a picture is better than none
                _log.warning("picture_failed", incident=incident, reason=str(error))
                return None

        return drawn

    def _tell(self, error: Exception) -> None:
        # What others raise may show what it was called with.
        told = isinstance(error, ReceiverError | StoreError) and str(error)
        said = told or type(error).__name__
        if self.trouble is None:
            _log.warning("notification_failed", channel=self.channel.name, reason=said)
        self.trouble = said
