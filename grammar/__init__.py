"""The language: what can be asked, how English says it, how it is said back."""
