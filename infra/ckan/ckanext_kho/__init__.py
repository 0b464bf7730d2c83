"""Kho Mở on CKAN."""
