"""Files that grow: their new lines as samples, over rotation, truncation and restarts."""
