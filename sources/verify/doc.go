// Package verify tells who has signed an artifact, from signatures that were fetched before. It asks nobody.
package verify
