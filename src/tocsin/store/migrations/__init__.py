"""Changes of the schema from release to release (Alembic); data is kept.

A new revision: a file in ``versions/``, its number at the end of `revisions.REVISIONS`, and the
same change in `schema` (and `postgresql.create_tables`): new databases are made from those.
"""
