package chart

import _ "embed"

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

// PageCSS is the style of a page with charts: the theme, text, tables and what is pointed at.
func PageCSS() string { return CSS() + pageCSS }

// PageJS is the script of such a page: its button with the id "theme", and its element with the id "tip", which shows the
// data-tip of what is pointed at.
func PageJS() string { return pageJS }
