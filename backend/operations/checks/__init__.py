"""What `etrm doctor` examines: each check looks at one part and says what is wrong and what to do."""
