"""The helpers of *Derive, Then Check*: run a claim, show its error, move a slider.

Modules: `check` (compare two routes to one quantity), `explore` (sliders that work without a kernel), `seed` (the one
seed of the book), `timing` (what takes how long), `browser` (where one is, and a server for it), and one small module
for each chapter's reusable mathematics.
"""
