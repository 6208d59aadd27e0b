package promotion

import "fairlead.dev/fairlead/api/v1beta1"

// Identity is what makes a candidate the one that it is. The same chart with other shared values is another candidate.
type Identity struct {
	// Chart is the digest of the chart.
	Chart string
	// Values is the digest of the shared values; empty for a pipeline without them.
	Values string
}

// covers reports whether what a release has counts for an identity: it has the chart, and the shared values unless the
// identity is without them.
func (id Identity) covers(has Identity) bool {
	return id.Chart == has.Chart && (id.Values == "" || id.Values == has.Values)
}

// failed says why a candidate failed permanently in a release; false when it did not.
func (r Release) failed(id Identity) (why string, bad bool) {
	for failed, why := range r.Bad {
		if id.covers(failed) {
			return why, true
		}
	}
	return "", false
}

// Title names a candidate in messages: by its version, and by the short digest of its shared values where it has them.
func (c Candidate) Title() string { return titled(c.Version, c.ID.Values) }

func titled(name, values string) string {
	if values == "" {
		return name
	}
	return name + " with values " + v1beta1.ShortDigest(values)
}
