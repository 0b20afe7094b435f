"""Agents written by somebody who had not seen the checks, and what rlcheck says about them."""
