"""DataStore tables that are published whole: beside the database, and for readers in no time.

A load has two halves. *Stage*: the rows are copied into a table of their own while the request runs. *Replace* or
*patch*: what was staged becomes the resource's table, in one short transaction; a reader sees the version before or
the version after. Every load says which version it takes the place of, and is refused if that is no longer there: a
publisher that was paused for an hour cannot put yesterday over today.
"""
