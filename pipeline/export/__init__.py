"""Exports: the crops of a workspace in forms that other training code reads; a form is an entry of a registry."""
