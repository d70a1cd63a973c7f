"""The flows: their files, their plans and each tenant's catalogue of them."""
