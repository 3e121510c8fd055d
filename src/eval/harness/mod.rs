//! Results of other tools, as samples of ours.
