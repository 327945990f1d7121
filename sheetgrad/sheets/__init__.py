"""One module a sheet, named as its tab is. Each turns a lesson into blocks and labels; none knows openpyxl."""
