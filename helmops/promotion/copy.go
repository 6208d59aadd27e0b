package promotion

// kind is what the name of a release of the stage is the name of.
func (s *Stage) kind() string {
	if s.Copies {
		return ""
	}
	return "HelmRelease "
}

// verifiedBy says who verified what the stage has.
func (s *Stage) verifiedBy() string {
	if s.Copies {
		return "copied to " + s.Releases[0].Name
	}
	return "verified by all HelmReleases"
}

// whatStays says what a registry keeps of a candidate that is rejected there.
func (s *Stage) whatStays(c Candidate) string {
	if !s.Copies || s.verification(c.ID) == nil {
		return ""
	}
	return "; the registry keeps the tag " + c.Version
}
