"""Schemas of our own API for openapi.yaml; requests are parsed by hand."""
