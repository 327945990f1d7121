"""Nudges any workbook, whoever made it: do its gradient cells agree with the slopes of its loss?"""
