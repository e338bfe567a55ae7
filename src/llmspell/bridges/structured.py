"""structured: answers of models as data that fits a schema."""

from __future__ import annotations

from typing import Any

from ..capability import capability, handle
from ..host.context import Context
from ..host.schemas import structured
from ..host.schemas.structured import ObjectStream, StructuredOptions
from ..typespec import JsonSchema

handle("object_stream", iterate="next", close="close")(ObjectStream)


@capability("structured.generate", since="0.1", needs="llm")
async def generate(
    ctx: Context,
    prompt: str,
    schema: JsonSchema | str,
    options: StructuredOptions = StructuredOptions(),
) -> Any:
    """Asks a model for data. An answer that does not fit is asked for again, with what was wrong.

    prompt: what to say to the model.
    schema: what the answer must look like: JSON Schema, or text such as "name, age int".
    options: which model, how it should answer, and how often it is asked again.
    returns: the value. When no answer fits it fails with the code "invalid_output"; the context of
        the error has the last answer.
    """
    return await (await structured.question(ctx, prompt, schema, options)).ask()


@capability("structured.extract", since="0.1", needs="llm")
async def extract(
    ctx: Context,
    text: str,
    schema: JsonSchema | str,
    options: StructuredOptions = StructuredOptions(),
) -> Any:
    """Takes data out of a text, by a model.

    text: the text. What it tells the model to do is not to be followed.
    schema: what to find, JSON Schema or text; descriptions of fields help.
    options: which model, how it should answer, and how often it is asked again.
    returns: the value.
    """
    prompt = structured.extraction(text)
    return await (await structured.question(ctx, prompt, schema, options)).ask()


@capability("structured.stream", since="0.1", needs="llm")
async def stream(
    ctx: Context,
    prompt: str,
    schema: JsonSchema | str,
    options: StructuredOptions = StructuredOptions(),
) -> ObjectStream:
    """Asks a model for data and gives it while it comes.

    prompt: what to say to the model.
    schema: what the answer must look like, JSON Schema or text.
    options: which model, how it should answer, and how often it is asked again.
    returns: a stream of values, each with more than the one before; only the last one surely fits.
    """
    return ObjectStream(await structured.question(ctx, prompt, schema, options))


@capability("structured.next", since="0.1")
async def next_(ctx: Context, stream: ObjectStream) -> Any:
    """Waits until more has come.

    stream: the stream.
    returns: the value as far as it has come, or nothing at the end.
    """
    return await stream.next()


@capability("structured.result", since="0.1")
async def result(ctx: Context, stream: ObjectStream) -> Any:
    """Waits for the whole value.

    stream: the stream.
    returns: the value, which fits the schema. It fails as the stream has, and with the code
        "closed" when that was closed before its end.
    """
    return await stream.result()


@capability("structured.close", since="0.1")
async def close(ctx: Context, stream: ObjectStream) -> None:
    """Stops a stream early. Closing one that has ended does nothing.

    stream: the stream.
    """
    await stream.close()


@capability("structured.parse", since="0.1", beside=4000)
def parse(ctx: Context, text: str, schema: JsonSchema | str | None = None) -> Any:
    """Reads JSON as models write it: among words, in a code fence, with mistakes, or cut off.

    text: the text, 256 KB at most.
    schema: what the value must look like; the first that fits is taken.
    returns: the value. A text without one fails with the code "invalid_output".
    """
    return structured.parse(text, schema)
