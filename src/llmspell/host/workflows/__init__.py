"""Steps put together by a script, a table or a file, and what becomes of them."""
