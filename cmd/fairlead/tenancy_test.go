package main

import "testing"

func TestDefaultServiceAccount(t *testing.T) {
	for name, valid := range map[string]bool{"": true, "deployer": true, "team.deployer-1": true, "Deployer": false, "apps/deployer": false, "apps:deployer": false, "-x": false} {
		if err := (&tenancy{defaultServiceAccount: name}).check(); (err == nil) != valid {
			t.Errorf("%q: %v", name, err)
		}
	}
}
