"""chat: a conversation with a model, which is told what was said before."""

from __future__ import annotations

from ..capability import capability, handle
from ..host.context import Context
from ..host.llm.chats import Chat
from ..host.llm.messages import ChatOptions, ContentPart, Message, Reply, StreamHandlers

handle("chat")(Chat)


@capability("chat.send", since="0.1", needs="llm", again=True)
async def send(ctx: Context, chat: Chat, content: str | list[ContentPart]) -> Reply:
    """Says something and waits for the answer. A message that is not answered is not kept.

    chat: the chat; while it waits for an answer, this fails with the code "busy".
    content: what to say: a text, or parts with texts, images and files.
    returns: the answer.
    """
    reply: Reply = await chat.send(ctx, content)
    return reply


@capability("chat.stream", since="0.1", needs="llm", again=True)
async def stream(
    ctx: Context, chat: Chat, content: str | list[ContentPart], handlers: StreamHandlers
) -> Reply | None:
    """Says something and has functions told of the answer while it comes.

    chat: the chat.
    content: what to say.
    handlers: the functions; without on_error, an error is raised.
    returns: the whole answer; nothing where a handler was given the error.
    """
    reply: Reply | None = await chat.stream(ctx, content, handlers)
    return reply


@capability("chat.history", since="0.1", again=True)
def history(ctx: Context, chat: Chat) -> list[Message]:
    """Gives what was said so far.

    chat: the chat.
    returns: the messages, oldest first.
    """
    return chat.messages


@capability("chat.clear", since="0.1", again=True)
def clear(ctx: Context, chat: Chat) -> None:
    """Forgets what was said. Instructions and options stay.

    chat: the chat.
    """
    chat.clear()


@capability("chat.export", since="0.1", again=True)
def export(ctx: Context, chat: Chat) -> ChatOptions:
    """Gives all of a chat as plain data, from which llm.chat makes it again.

    chat: the chat.
    returns: its options, with the messages so far.
    """
    return chat.export()
