"""The database's history: data of the product, a package so that an installed wheel has it."""
