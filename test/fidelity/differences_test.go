package fidelity

// difference is something that is not equal, on purpose or because it cannot be.
type difference struct {
	// what differs, in the words of docs/fidelity.md.
	what string
	// places in the tree that is compared; "*" is any one step.
	places [][]string
	// scenario bounds it to one scenario; empty is all.
	scenario string
	// why it is so.
	why string
}

// differences is all that may differ between the helm command and Fairlead. docs/fidelity.md lists the same.
var differences = []difference{
	{
		what:   "annotations of the release record",
		places: [][]string{{"records", "*", "secret", "metadata", "annotations", "fairlead.dev/*"}},
		why:    "Fairlead notes there who wrote the revision, and from which exact chart",
	},
	{
		what:   "label createdAt of a release record that was updated",
		places: [][]string{{"records", "*", "secret", "metadata", "labels", "createdAt"}},
		why:    "the helm command drops it with the second write of a record; Fairlead keeps it",
	},
}
