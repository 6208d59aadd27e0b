package engine

// dropped names the objects of which the API server did not keep all that was written.
func (r *run) dropped() []string {
	names := r.client.Dropped()
	if len(names) == 0 {
		return nil
	}
	mask := r.mask()
	for i := range names {
		names[i] = mask.Apply(names[i])
	}
	return names
}
