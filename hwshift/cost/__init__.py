"""What a program costs: counts of actions, and counts times unit costs as energy.

The two steps are apart. `hwshift.cost.counting.count_program` derives the actions of every layer from the program
alone; `hwshift.cost.energy.energy_of` multiplies them with a table of unit costs, which is data with a source per
line (`hwshift.cost.tables`).
"""
