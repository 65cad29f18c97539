"""The proof that an export can be used: it loads, agrees with itself, and settles when dropped."""
