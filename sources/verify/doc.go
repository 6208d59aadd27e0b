// Package verify tells who has signed an artifact or a chart, from signatures that were fetched before. It asks nobody.
package verify
