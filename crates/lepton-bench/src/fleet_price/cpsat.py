# The fleet problem for OR-tools CP-SAT: machines of each offer are pooled, pods are assigned to offers in counts, amounts
# and devices of an offer's machines are summed. This is a relaxation (it forgives fragmentation within an offer), the
# only form of 10,000 pods x 2,000 offers that CP-SAT holds; so its answer may be cheaper than any real fleet.
import json
import sys

from ortools.sat.python import cp_model

data = json.load(sys.stdin)
offers, pods = data["offers"], data["pods"]


def beats(a, b):
    devices = b[1] == 0 or (a[1] >= b[1] and a[2] == b[2])
    return devices and a[3] <= b[3] and all(x >= y for x, y in zip(a[0], b[0]))


kept = []
for o in sorted(offers, key=lambda o: o[3]):
    if not any(beats(k, o) for k in kept):
        kept.append(o)

model = cp_model.CpModel()
count = [model.new_int_var(0, 20000, f"m{k}") for k in range(len(kept))]
on = [[] for _ in kept]
for i, (amounts, gpus, milli, models, demand) in enumerate(pods):
    choices = []
    for k, (have, devices, name, _) in enumerate(kept):
        fits = all(a <= b for a, b in zip(amounts, have)) and gpus <= devices
        if fits and (gpus == 0 or not models or name in models):
            x = model.new_int_var(0, demand, f"x{i}_{k}")
            choices.append(x)
            on[k].append((i, x))
    model.add(sum(choices) == demand)
for k, (have, devices, _, _) in enumerate(kept):
    for r, amount in enumerate(have):
        model.add(sum(pods[i][0][r] * x for i, x in on[k]) <= amount * count[k])
    model.add(sum(pods[i][1] * pods[i][2] * x for i, x in on[k]) <= 1000 * devices * count[k])
model.minimize(sum(round(o[3] * 1e6) * c for o, c in zip(kept, count)))
solver = cp_model.CpSolver()
solver.parameters.max_time_in_seconds = data["seconds"]
solver.parameters.num_workers = 2
status = solver.solve(model)
if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
    sys.exit("CP-SAT found no solution")
print(solver.objective_value / 1e6)
