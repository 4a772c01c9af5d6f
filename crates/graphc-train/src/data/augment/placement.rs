//! Where the pixels of a picture go.

use super::size::Picture;

/// A picture is mirrored, enlarged, turned, and then moved; all but the last about its centre.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Placement {
    /// Whether top and bottom, left and right change places.
    pub(super) flips: [bool; 2],
    /// Factor on the size.
    pub(super) zoom: f64,
    /// Degrees; the right side goes down if it is positive, so clockwise.
    pub(super) degrees: f64,
    /// Pixels, down and to the right.
    pub(super) shift: [i64; 2],
}

impl Placement {
    /// Where it is.
    pub(super) const IDENTITY: Placement = Placement { flips: [false; 2], zoom: 1.0, degrees: 0.0, shift: [0; 2] };

    /// Whether every pixel is one of the picture's, or outside.
    pub(super) fn is_whole(&self) -> bool {
        self.zoom == 1.0 && self.degrees == 0.0
    }

    /// The map back: from a place in the result to that in the picture, both `[row, column]`.
    pub(super) fn source(&self, picture: Picture) -> Map {
        let centre = [picture.height, picture.width].map(|size| (size as f64 - 1.0) / 2.0);
        let (sin, cos) = libm::sincos(self.degrees * (std::f64::consts::PI / 180.0));
        // p = c + turned(zoom * mirrored(q - c)) + shift, so q = c + mirrored(turned back(p - c - shift) / zoom).
        let signs = self.flips.map(|is_mirrored| if is_mirrored { -1.0 } else { 1.0 });
        let (sin, cos) = (sin / self.zoom, cos / self.zoom);
        let linear = [[signs[0] * cos, signs[0] * -sin], [signs[1] * sin, signs[1] * cos]];
        Map { linear, centre, shift: self.shift.map(|pixels| pixels as f64) }
    }
}

/// `q = centre + linear * (p - centre - shift)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Map {
    pub(super) linear: [[f64; 2]; 2],
    centre: [f64; 2],
    shift: [f64; 2],
}

impl Map {
    /// Where the pixel in that row and column comes from.
    pub(super) fn of(&self, place: [f64; 2]) -> [f64; 2] {
        let Map { linear, centre, shift } = self;
        let (v, u) = (place[0] - centre[0] - shift[0], place[1] - centre[1] - shift[1]);
        [linear[0][0] * v + linear[0][1] * u + centre[0], linear[1][0] * v + linear[1][1] * u + centre[1]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PICTURE: Picture = Picture { height: 5, width: 9, channels: 1 };

    fn close(found: [f64; 2], expected: [f64; 2]) -> bool {
        found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12)
    }

    #[test]
    fn places_come_from_where_they_should() {
        let of = |placement: Placement, place| placement.source(PICTURE).of(place);
        let identity = Placement::IDENTITY;
        assert_eq!(of(identity, [1.0, 7.0]), [1.0, 7.0]);
        assert_eq!(of(Placement { flips: [false, true], ..identity }, [1.0, 7.0]), [1.0, 1.0]);
        assert_eq!(of(Placement { flips: [true, false], ..identity }, [1.0, 7.0]), [3.0, 7.0]);
        assert_eq!(of(Placement { shift: [1, -2], ..identity }, [1.0, 5.0]), [0.0, 7.0]);
        // Twice as large: what stands two pixels from the centre stood one from it.
        assert_eq!(of(Placement { zoom: 2.0, ..identity }, [4.0, 6.0]), [3.0, 5.0]);
        // The right end of the middle row goes below the centre.
        let turned = Placement { degrees: 90.0, ..identity };
        assert!(close(of(turned, [6.0, 4.0]), [2.0, 8.0]), "{:?}", of(turned, [6.0, 4.0]));
        // Mirrored, enlarged and turned before it is moved.
        let all = Placement { flips: [false, true], zoom: 2.0, degrees: 90.0, shift: [10, 20] };
        assert!(close(of(all, [2.0 + 10.0 + 4.0, 4.0 + 20.0]), [2.0, 2.0]));
    }
}
