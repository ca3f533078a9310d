"""Mutation testing of the domain: each small change of a rule has to be noticed by a unit test, or explained."""
