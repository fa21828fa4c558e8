"""What each template is given: one typed context per page, and nothing besides."""
