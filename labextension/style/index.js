import './base.css';
import './prompt.css';
