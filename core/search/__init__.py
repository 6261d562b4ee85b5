"""Search: query, filters, index, ranking, paging, and text extraction."""
