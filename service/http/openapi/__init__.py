"""The OpenAPI document, the pages made from it, and health."""
