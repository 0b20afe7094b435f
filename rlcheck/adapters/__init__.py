"""Adapters: how subjects of other frameworks take the shape that checks call."""
