"""Events of labelled series with what is said of them, right ones and wrong ones."""
