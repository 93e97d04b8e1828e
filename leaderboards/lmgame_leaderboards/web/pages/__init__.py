"""What each page shows, as the values its template takes."""
