# What has to happen to the pod next: one of deleted, starting, ready, unready, pull-back-off, crash-loop, finished; or
# "settled" when its status already shows what its spec and annotations ask for. Every pod stage selects on this one
# word, so two stages never match at once, and none matches again after it has been applied.
def words: [.spec.containers[] | (.command // [])[], (.args // [])[]];
def note(name): (.metadata.annotations // {})[name];
def wanted:
  if note("sim.fairlead.dev/waiting") == "ImagePullBackOff" then "pull-back-off"
  elif note("sim.fairlead.dev/waiting") == "CrashLoopBackOff" then "crash-loop"
  elif .spec.restartPolicy != "Always" and (words | any(test("sleep infinity|while sleep")) | not) then "finished"
  elif note("sim.fairlead.dev/ready") == "false" or (words | any(contains("--unready"))) then "unready"
  else "ready" end;
def waiting: [.status.containerStatuses[]?.state.waiting.reason];
def shown:
  if waiting | any(. == "ImagePullBackOff") then "pull-back-off"
  elif waiting | any(. == "CrashLoopBackOff") then "crash-loop"
  elif .status.conditions // [] | any(.type == "Ready" and .status == "True") then "ready"
  elif .status.phase != "Running" then "none"
  elif .status.containerStatuses // [] | any(.started == false) then "starting"
  else "unready" end;
def running: . == "ready" or . == "unready" or . == "starting";
if .metadata.deletionTimestamp then
  # A pod whose grace is already 0 waits for its finalizers only; nothing is left to do here.
  if .metadata.deletionGracePeriodSeconds == 0 then "settled" else "deleted" end
elif .status.phase == "Succeeded" or .status.phase == "Failed" then "settled"
else
  wanted as $wanted | shown as $shown
  | if $wanted == $shown then "settled"
    elif $wanted == "ready" and $(delayed) and ($shown | running | not) then "starting"
    else $wanted end
end
