"""One file a revision; they know nothing of the present schema, which goes on changing."""
